// What eslint looks for: mistakes and dead code. How code looks is nobody's business here.

import js from "@eslint/js";
import globals from "globals";

const rules = {
  ...js.configs.recommended.rules,
  "array-callback-return": "error",
  eqeqeq: ["error", "always", { null: "ignore" }],
  "no-constructor-return": "error",
  "no-eval": "error",
  "no-implied-eval": "error",
  "no-new-func": "error",
  "no-self-compare": "error",
  "no-template-curly-in-string": "error",
  "no-unused-vars": ["error", { args: "after-used", caughtErrors: "all" }],
  "no-var": "error",
  "prefer-const": "error",
  "no-script-url": "error",
};

const linterOptions = { reportUnusedDisableDirectives: "error" };

export default [
  { ignores: ["src/web/editor/dist/**"] },
  {
    // The scripts of the pages: no modules, no build step, what browsers of the last years run as it stands.
    files: ["src/web/assets/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "script", globals: { ...globals.browser } },
    linterOptions,
    rules: { ...rules, "no-console": "error" },
  },
  {
    // The visual editor: modules, bundled for browsers of the last years.
    files: ["src/web/editor/**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    linterOptions,
    rules: { ...rules, "no-console": "error" },
  },
  {
    // The tests: Node.js, and functions that run in the page.
    files: ["tests/**/*.mjs", "src/web/editor/**/*.mjs"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: { ...globals.node, ...globals.browser } },
    linterOptions,
    rules,
  },
];
