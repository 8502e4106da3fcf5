/** The address of the timeline editor: finds the alignment of the song and hands over to the editor itself. */
import { h, titleOf } from "./dom.js";
import { loadStyle } from "./style.js";

/** @type {import("./main.js").Mount} */
export async function mount(container, { api, songId, signal }) {
  const song = await api.get(`songs/${songId}`, { signal });
  if (!song.alignment || song.alignment.version === 0) {
    container.append(h("h1", { text: titleOf(song) }),
      h("p.notice", { text: "This song has no words on its timeline yet, so there is nothing to edit." }),
      h("p", {}, h("a", { href: "#/library", text: "To the library" })));
    return undefined;
  }
  await loadStyle("css/editor.css");
  const editor = await import("./editor/main.js");
  return editor.mount(container, { api, songId, alignmentId: song.alignment.id, signal });
}
