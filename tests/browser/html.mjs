// What html-validate says of the HTML of a page, as the service sent it.

import assert from "node:assert/strict";
import { HtmlValidate } from "html-validate";

const checker = new HtmlValidate({
  root: true,
  extends: ["html-validate:recommended", "html-validate:document"],
  rules: {
    // Written in small letters throughout, as the HTML standard does.
    "doctype-style": "off",
    // A page that shows itself anew without JavaScript, a minute or some seconds later, is one that people wait at.
    "meta-refresh": "off",
    // A button in a form sends it, and a field takes text; one that does not says so.
    "no-implicit-button-type": "off",
    "no-implicit-input-type": "off",
    // A text that scrolls is reached with the keyboard, and then says what it is.
    "prefer-native-element": ["error", { exclude: ["region"] }],
    // What a template leaves between its blocks.
    "no-trailing-whitespace": "off",
    // All that a page loads is the service's own.
    "require-sri": "off",
  },
});

/** Every page that was found valid, so that none is read twice. */
const seen = new Set();

/** Watches what a page is sent; answers a check of the document that it shows now. */
export function watchHtml(page) {
  let answer;
  page.on("response", (response) => {
    const request = response.request();
    const isPage = request.isNavigationRequest() && request.frame() === page.mainFrame();
    if (isPage && (response.status() < 300 || response.status() >= 400)) answer = response;
  });
  return async (what) => {
    const html = await answer.text();
    if (seen.has(html)) return;
    const { results } = await checker.validateString(html);
    const messages = results.flatMap((result) => result.messages);
    assert.deepEqual(messages.map(({ ruleId, message, line, column }) => `${ruleId}: ${message} (${what}, ${line}:${column})`), []);
    seen.add(html);
  };
}
