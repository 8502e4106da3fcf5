/** What the editor asks of the service. */
import { isOver, jobOver, reasonOf } from "../events.js";
import { fromJson } from "./model.js";

/**
 * @typedef {{version: number, state: import("./model.js").State, info: any}} Loaded
 */

/** One song and one alignment of it. */
export class Service {
  /**
   * @param {typeof import("../api.js").api} api
   * @param {string} songId
   * @param {string} alignmentId
   * @param {AbortSignal} signal - Of the page.
   */
  constructor(api, songId, alignmentId, signal) {
    Object.assign(this, { api, songId, alignmentId, signal });
    this.path = `alignments/${alignmentId}`;
  }

  get audioUrl() {
    return this.api.url(`songs/${this.songId}/audio`);
  }

  song() {
    return this.api.get(`songs/${this.songId}`, { signal: this.signal });
  }

  /** @returns {Promise<ArrayBuffer>} The file as it was uploaded. */
  async recording() {
    const answer = await this.api.respond("GET", `songs/${this.songId}/audio`, { text: true, signal: this.signal });
    return answer.arrayBuffer();
  }

  peaks(perSecond) {
    return this.api.get(`songs/${this.songId}/peaks`, { query: { per_second: perSecond }, signal: this.signal });
  }

  async onsets() {
    const { onsets_ms: onsets } = await this.api.get(`songs/${this.songId}/onsets`, { signal: this.signal });
    return onsets;
  }

  /** @returns {Promise<Loaded>} The current version. */
  async load() {
    const info = await this.api.get(`${this.path}/info`, { signal: this.signal });
    return { version: info.version, state: await this.version(info.version, info), info };
  }

  /**
   * @param {number} version
   * @param {{corrected?: number[], doubtful?: number[]}} [marks]
   * @returns {Promise<import("./model.js").State>}
   */
  async version(version, marks = {}) {
    return fromJson(await this.api.get(`${this.path}/versions/${version}`, { signal: this.signal }), marks);
  }

  /** @returns {Promise<any[]>} Every version, newest first. */
  async versions() {
    const found = await this.api.all(`${this.path}/versions`);
    return found.sort((a, b) => b.version - a.version);
  }

  save(version, edits, summary) {
    return this.api.patch(`${this.path}/words`, { version, edits, summary });
  }

  undo(version) {
    return this.api.post(`${this.path}/undo`, { version });
  }

  restore(version, to) {
    return this.api.post(`${this.path}/restore`, { version, to });
  }

  /**
   * Has words found anew between those that a person has set.
   * @param {{version: number, edits: import("./model.js").Edit[], words: [number, number] | null,
   *   preview: boolean}} request
   * @param {(job: any) => void} onProgress
   * @param {AbortSignal} signal
   * @returns {Promise<any>} The job's result.
   */
  async realign({ version, edits, words, preview }, onProgress, signal) {
    const request = { version, edits, preview, ...(words && { words }) };
    const job = await this.api.post(`${this.path}/realign`, request, { signal });
    let state = job.state;
    signal.addEventListener("abort", () => isOver({ state }) || this.#cancel(job.id), { once: true });
    const tell = (news) => {
      state = news.state;
      onProgress(news);
    };
    const over = await jobOver(job.id, tell, signal);
    if (over.state === "done") return over.result;
    throw new Error(over.state === "cancelled" ? "it was cancelled" : reasonOf(over));
  }

  /** Nobody waits for it any more; should the service be out of reach, the job ends by itself. */
  #cancel(jobId) {
    this.api.post(`jobs/${jobId}/cancel`).catch(() => undefined);
  }
}
