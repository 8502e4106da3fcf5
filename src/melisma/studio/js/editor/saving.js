/** Saving, and that nothing is lost: conflicts, drafts in the browser, and leaving with changes that are not saved. */
import { h } from "../dom.js";
import { announce, complain, toast } from "../messages.js";
import { choose } from "./choose.js";
import { differences } from "./diff.js";
import { forget, kept } from "./draft.js";
import { counted } from "./moments.js";
import { rebase } from "./rebase.js";

/** @typedef {import("./model.js").Edit} Edit */

/** The button and all that it may lead to. */
export class Saving {
  /** @param {import("./editor.js").Editor} editor @param {AbortSignal} signal - Of the page. */
  constructor(editor, signal) {
    this.editor = editor;
    this.button = h("button.primary", {
      type: "button",
      text: "Save",
      title: "Save (Ctrl+S)",
      onclick: () => this.save(),
    });
    this.status = h("p.ed-status", { role: "status" });
    addEventListener("beforeunload", (event) => editor.history.dirty && event.preventDefault(), { signal });
    editor.show(() => this.show());
  }

  show() {
    const { history, busy, info, version } = this.editor;
    this.button.disabled = busy || !history.dirty;
    const n = history.edits.length;
    const source = info.source === "user_corrected" ? "corrected by hand" : `by ${info.engine || info.source}`;
    const text = `Version ${version}, ${source}` + (n ? ` · ${n === 1 ? "1 change" : `${n} changes`} not saved` : "");
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.classList.toggle("dirty", n > 0);
  }

  async save() {
    if (this.editor.busy) return;
    try {
      await this.editor.save();
    } catch (error) {
      if (error.kind === "version-conflict") await this.conflict().catch(complain);
      else complain(error);
    }
  }

  /** Somebody else has saved meanwhile: asks what to do. Whatever is answered, no edit is lost. */
  async conflict() {
    const { editor } = this;
    const theirs = await editor.service.load();
    const { edits, base } = editor.history;
    const found = rebase(edits, base, theirs.state);
    const theirChanges = differences(theirs.state, base, 1);
    const lost = found.dropped.length
      ? [h("p", { text: `${found.dropped.length} of your changes cannot be made there:` }), droppedList(found)]
      : [];
    const answer = await choose(
      "Somebody else saved meanwhile",
      [
        h("p", {
          text:
            `It is at version ${theirs.version} by now. You began with version ${editor.version} and made ` +
            `${counted(edits.length, "change")}; ${counted(theirChanges.length, "word is", "words are")} different.`,
        }),
        ...lost,
      ],
      [
        { value: "mine", label: "Make my changes on theirs", primary: true },
        { value: "theirs", label: "See theirs first" },
        { value: "later", label: "Not now" },
      ],
    );
    if (answer === "mine") this.adopt(theirs, found);
    else if (answer === "theirs") await editor.comparing.open(theirs.version);
  }

  /** Goes on with another version and the edits that could be made there. */
  adopt(loaded, { edits, dropped }) {
    const { editor } = this;
    editor.reset(loaded);
    if (edits.length) editor.apply("made again on the newest version", edits);
    else forget(localStorage, editor.service.alignmentId);
    const why = dropped.map((each) => each.why).join("; ");
    toast(
      dropped.length
        ? `${counted(edits.length, "change")} made on version ${loaded.version}, ${dropped.length} cannot be: ${why}.`
        : `Your changes are made on version ${loaded.version}; look them over, then save.`,
      { trouble: dropped.length > 0 },
    );
  }

  /** Offers what was not saved when the page was last left. */
  async offerDraft() {
    const { editor } = this;
    const draft = kept(localStorage, editor.service.alignmentId);
    if (!draft) return;
    const when = new Date(draft.savedAt);
    const at = Number.isNaN(when.getTime()) ? "" : ` on ${when.toLocaleString()}`;
    const n = draft.edits.length === 1 ? "1 change that was" : `${draft.edits.length} changes that were`;
    const answer = await choose(
      "Changes that were not saved",
      [
        h("p", {
          text:
            `There ${draft.edits.length === 1 ? "is" : "are"} ${n} made here${at} and not saved` +
            (draft.version === editor.version
              ? "."
              : `, on version ${draft.version}; it is version ${editor.version} now.`),
        }),
      ],
      // Escape brings them back: that loses nothing, and another change would take their place in the browser.
      [
        { value: "drop", label: "Throw them away" },
        { value: "restore", label: "Bring them back", primary: true },
      ],
    );
    if (answer === "drop") forget(localStorage, editor.service.alignmentId);
    else await this.restore(draft).catch(complain);
  }

  /** @param {import("./draft.js").Draft} draft */
  async restore(draft) {
    const { editor } = this;
    const now = { version: editor.version, state: editor.history.base, info: editor.info };
    const base = draft.version === now.version ? now.state : await editor.service.version(draft.version);
    const found = rebase(draft.edits, base, now.state);
    if (draft.version !== now.version || found.dropped.length) return this.adopt(now, found);
    if (editor.apply("brought back", found.edits)) announce("your changes are back");
  }
}

function droppedList({ dropped }) {
  return h("ul", {}, ...dropped.slice(0, 20).map(({ edit, why }) => h("li", { text: `${edit.op}: ${why}` })));
}
