/** How far a job is: by server-sent events, and by asking again where these do not come through.

 A browser opens six connections to a service that speaks HTTP/1.1, so few streams are open at once; other jobs are
 asked after every two seconds, and take a stream when one is free. */
import { get, url } from "./api.js";

const MOST_STREAMS = 2;
const ASK_EVERY_MS = 2000;
const FIRST_AFTER_MS = 6000; // how a job stands is said at once: a stream without a word is held back on its way
const SILENT_AFTER_MS = 45_000; // pings come more often than this: a stream that says nothing is dead
const OVER = new Set(["done", "failed", "cancelled"]);

let streams = 0;

/** @param {{state: string}|null|undefined} job @returns {boolean} */
export function isOver(job) {
  return !job || OVER.has(job.state);
}

/**
 * Follows a job until it is over.
 * @param {string} id
 * @param {(job: any) => void} onProgress - Called with each news, and once with the job that is over.
 * @param {(error: Error) => void} [onError] - The job is gone, or the service refuses; nothing more comes.
 * @returns {() => void} Stops following.
 */
export function watchJob(id, onProgress, onError = () => undefined) {
  const watch = new Watch(id, onProgress, onError);
  watch.begin();
  return () => watch.stop();
}

/**
 * Waits until a job is over.
 * @param {string} id
 * @param {(job: any) => void} [onProgress]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} The job, done, failed or cancelled.
 */
export function jobOver(id, onProgress = () => undefined, signal = undefined) {
  return new Promise((resolve, reject) => {
    const stop = watchJob(id, (job) => {
      onProgress(job);
      if (isOver(job)) resolve(job);
    }, reject);
    signal?.addEventListener("abort", () => {
      stop();
      reject(new DOMException("no longer followed", "AbortError"));
    });
  });
}

class Watch {
  /** @param {string} id @param {(job: any) => void} onProgress @param {(error: Error) => void} onError */
  constructor(id, onProgress, onError) {
    Object.assign(this, { id, onProgress, onError });
    /** @type {EventSource|null} */
    this.source = null;
    this.timer = 0;
    this.stopped = false;
    this.streamFailed = false; // once a stream broke without a word, asking is safer
  }

  begin() {
    if (this.stopped) return;
    if (streams < MOST_STREAMS && !this.streamFailed) this.open();
    else this.ask();
  }

  open() {
    streams += 1;
    let heard = false;
    let failures = 0; // in a row: whatever cuts one stream after the other lets no other through either
    const source = new EventSource(url(`jobs/${this.id}/events`));
    this.source = source;
    const expect = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.giveUp(heard), heard ? SILENT_AFTER_MS : FIRST_AFTER_MS);
    };
    source.addEventListener("progress", (event) => {
      heard = true;
      failures = 0;
      expect();
      this.tell(JSON.parse(event.data));
    });
    source.addEventListener("end", () => this.giveUp(true)); // one last look, should the last news have been lost
    source.addEventListener("error", () => {
      failures += 1;
      // CONNECTING: the browser tries again by itself. CLOSED: an answer that is no stream, such as 401 or 404.
      if (source.readyState === EventSource.CLOSED || failures > 1) this.giveUp(heard);
    });
    expect();
  }

  /** @param {boolean} heard */
  giveUp(heard) {
    this.close();
    if (!heard) this.streamFailed = true;
    if (!this.stopped) this.ask();
  }

  async ask() {
    try {
      this.tell(await get(`jobs/${this.id}`));
    } catch (error) {
      if (this.stopped) return;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        this.stop();
        this.onError(error);
        return;
      }
      // Out of reach, busy or restarting: what is asked in a while may be answered.
    }
    if (!this.stopped) this.timer = setTimeout(() => this.begin(), ASK_EVERY_MS);
  }

  /** @param {any} job */
  tell(job) {
    if (this.stopped) return;
    if (isOver(job)) this.stop();
    this.onProgress(job);
  }

  close() {
    clearTimeout(this.timer);
    if (!this.source) return;
    this.source.close();
    this.source = null;
    streams -= 1;
  }

  stop() {
    this.stopped = true;
    this.close();
  }
}

const STAGES = {
  queued: "Waiting its turn", "find lyrics": "Looking for lyrics", decode: "Reading the recording",
  separate: "Parting voice and music", listen: "Listening", align: "Finding each word", save: "Saving",
  encode: "Writing the video",
};

/** @param {{state: string, stage?: string|null}} job @returns {string} What it does now, in a few words. */
export function stageName(job) {
  if (job.state === "queued") return STAGES.queued;
  const stage = job.stage ?? "";
  return STAGES[stage] ?? (stage ? stage[0].toUpperCase() + stage.slice(1).replaceAll("_", " ") : "Working");
}

/** @param {any} job @returns {string} Why a job failed, in one sentence. */
export function reasonOf(job) {
  return job.problem?.detail ?? job.causes?.at?.(-1)?.detail ?? job.causes?.at?.(-1) ?? "the service did not say why";
}
