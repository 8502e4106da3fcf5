  // ---- sound: recordings are decoded when they are first heard, and played to the sample ----
  const RATE = 16000;
  const FRAME_S = 0.02;
  const LAME_S = 1105 / RATE; // what an MP3 encoder puts in front; browsers take it away by what the file says of it
  const KEPT = 12; // recordings that stay decoded
  const GAP_S = 0.35; // between occurrences
  const QUIET = 0.35; // how loud the surroundings of a motif are
  const FADE_S = 0.004; // so that nothing clicks

  let context = null;
  const decoded = new Map();
  const player = { nodes: [], run: 0, onMove: () => {}, onSilence: () => {} };

  const sounding = () => {
    context ??= new AudioContext({ sampleRate: RATE });
    return context;
  };

  // Resolves to { buffer, lead }: samples, and the second in them at which the recording begins.
  const soundOf = (recording) => {
    const known = decoded.get(recording);
    if (known) return known;
    const bytes = Uint8Array.from(atob(recording.sound), (character) => character.charCodeAt(0));
    const promise = new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.buffer).then((buffer) => ({
      buffer,
      lead: buffer.duration - recording.frames * FRAME_S > 0.04 ? LAME_S : 0,
    }));
    decoded.set(recording, promise);
    if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
    return promise;
  };

  const silence = () => {
    player.run += 1;
    player.nodes.forEach((node) => { node.onended = null; node.stop(); });
    player.nodes = [];
    player.onSilence();
  };

  // Play [first, last) of a recording, in frames, with `around` seconds on either side at a lower level.
  const playPart = async (recording, first, last, around, run) => {
    const { buffer, lead } = await soundOf(recording);
    const audio = sounding();
    if (audio.state === "suspended") await audio.resume();
    if (run !== player.run) return false;
    const [begin, end] = [first * FRAME_S, last * FRAME_S];
    const from = Math.max(0, begin - around);
    const to = Math.min(recording.frames * FRAME_S, end + around);
    const now = audio.currentTime + 0.03;
    const gain = audio.createGain();
    const level = gain.gain;
    const outer = (inside) => (inside ? QUIET : 0);
    level.setValueAtTime(0, now);
    level.linearRampToValueAtTime(begin > from ? QUIET : 1, now + FADE_S);
    if (begin > from) {
      level.setValueAtTime(QUIET, now + begin - from - FADE_S);
      level.linearRampToValueAtTime(1, now + begin - from);
    }
    level.setValueAtTime(1, now + end - from - (end < to ? 0 : FADE_S));
    level.linearRampToValueAtTime(outer(end < to), now + end - from + (end < to ? FADE_S : 0));
    const node = audio.createBufferSource();
    node.buffer = buffer;
    node.connect(gain).connect(audio.destination);
    node.start(now, from + lead, to - from);
    player.nodes = [node];
    const move = () => {
      if (run !== player.run || !player.nodes.includes(node)) return;
      player.onMove(recording, Math.min(to, Math.max(from, from + audio.currentTime - now)) / FRAME_S);
      requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
    await new Promise((done) => { node.onended = done; player.onSilence = done; });
    player.nodes = player.nodes.filter((each) => each !== node);
    return run === player.run;
  };

  const wait = (seconds) => new Promise((done) => { setTimeout(done, 1000 * seconds); });
