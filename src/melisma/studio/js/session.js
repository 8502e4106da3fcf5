/** Signing in, where the service wants a token. The token goes into a cookie that no script can read. */
import { call, onUnauthorized } from "./api.js";
import { field, h } from "./dom.js";
import { ask } from "./messages.js";

/** @type {Promise<boolean>|null} */
let asking = null;

/** Asks for the token; several calls that are refused at once share one dialog. @returns {Promise<boolean>} */
export function signIn() {
  asking ??= showDialog().finally(() => {
    asking = null;
  });
  return asking;
}

async function showDialog() {
  const token = h("input", { type: "password", autocomplete: "current-password", required: true, name: "token" });
  const done = await ask({
    title: "Sign in",
    body: [
      h("p", { text: "This service lets in whoever has one of its API tokens. Whoever runs it can give you one." }),
      field("API token", token),
    ],
    action: "Sign in",
    width: "26rem",
    submit: async () => {
      const given = /** @type {HTMLInputElement} */ (token).value.trim();
      await call("POST", "session", { json: { token: given }, asked: true });
      return true;
    },
  });
  if (done) showSignOut(true);
  return Boolean(done);
}

/** @param {boolean} shown */
function showSignOut(shown) {
  document.getElementById("sign-out")?.toggleAttribute("hidden", !shown);
}

/** @param {boolean} tokenNeeded - As the service says. */
export function installSession(tokenNeeded) {
  showSignOut(tokenNeeded);
  document.getElementById("sign-out")?.addEventListener("click", async () => {
    await call("DELETE", "session", { asked: true }).catch(() => undefined); // signed out already: all the better
    location.reload();
  });
}

onUnauthorized(signIn);
