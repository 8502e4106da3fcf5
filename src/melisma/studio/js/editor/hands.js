/** What a drag does to the words: shown while it lasts, one step that can be undone when it is dropped. */
import * as commands from "./commands.js";
import { EditError, applyAll } from "./model.js";
import { moveBy } from "./moves.js";
import { snap } from "./snap.js";

/** Dragging in one editor; see `Hands` of drag.js. */
export class EditorHands {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {{word: number, part: import("./moves.js").Part, edit: import("./model.js").Edit | null} | null} */
    this.held = null;
  }

  begin(word, part) {
    if (this.editor.busy || this.editor.tapping.active) return false;
    this.held = { word, part, edit: null };
    this.editor.select(word, { reveal: false, quiet: true });
    return true;
  }

  move(byMs, snapping) {
    const { editor, held } = this;
    const { timeline, settings } = editor;
    const state = editor.history.state;
    let guide = null;
    const drawn = (ms) => {
      if (!snapping || !settings.snap) return Math.round(ms);
      const found = snap(ms, timeline.onsets, timeline.pixelsPerSecond);
      guide = found.snapped ? found.ms : null;
      return found.ms;
    };
    held.edit = moveBy(state, held.word, held.part, byMs, settings.ripple, drawn);
    timeline.showGuide(guide);
    try {
      editor.preview = applyAll(state, [held.edit]);
    } catch (error) {
      if (!(error instanceof EditError)) throw error; // it goes no further; what was shown last stays
    }
    editor.changed();
  }

  drop() {
    const { edit, word } = this.held;
    this.cancel();
    const old = this.editor.history.state.words[word];
    if (edit && (edit.start_ms !== old.start || edit.end_ms !== old.end)) this.editor.apply("moved", [edit]);
  }

  cancel() {
    this.held = null;
    this.editor.preview = null;
    this.editor.timeline.showGuide(null);
    this.editor.changed();
  }

  press(word) {
    this.editor.select(word, { reveal: false });
    this.editor.rows.focusSoon();
    const { start } = this.editor.word;
    if (start !== null && !this.editor.transport.playing) this.editor.transport.seek(start);
  }

  open(word) {
    this.editor.select(word, { reveal: false });
    commands.hear(this.editor, "word");
  }
}
