/** Work that is put off to the next frame, once however often it is asked for. */

/** @param {() => void} work @returns {{ask: () => void, stop: () => void}} */
export function eachFrame(work) {
  let frame = 0;
  return {
    ask() {
      if (frame) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        work();
      });
    },
    stop() {
      cancelAnimationFrame(frame);
      frame = 0;
    },
  };
}
