// What the judges may complain of, each with its reason. An entry that no complaint needs any more fails, so the list stays
// short. `rule` is the whole name of the rule, or for vnu, which has no names, an expression for its words.

export const exceptions = [
  {
    judge: "SpamAssassin",
    rule: "HTML_MESSAGE",
    reason: "0.001 for having HTML at all, by which it counts mails.",
  },
  {
    judge: "rspamd",
    rule: "MANY_INVISIBLE_PARTS",
    reason: "0.05 for one hidden part: the preheader, which is there for the inbox alone.",
  },
  {
    judge: "html-validate",
    rule: "no-inline-style",
    reason: "Many mail programs drop style elements, or some of their rules; what has to be seen stands at its element.",
  },
  {
    judge: "html-validate",
    rule: "no-deprecated-attr",
    reason: "Outlook on Windows lays out with Word, which goes by align, bgcolor, border, cellpadding, cellspacing, width and height.",
  },
  {
    judge: "html-validate",
    rule: "no-conditional-comment",
    reason: "Outlook on Windows alone reads them: it needs a table of fixed width, fonts by name and its scale of pixels.",
  },
  {
    judge: "html-validate",
    rule: "prefer-tbody",
    reason: "Every parser puts the tbody there by itself; in tables for layout it says nothing.",
  },
  {
    judge: "html-validate",
    rule: "prefer-native-element",
    reason: "Webmail turns <article> into <div> or drops it; the role stays, and screen readers begin there.",
  },
  {
    judge: "vnu",
    rule: /^The “(align|bgcolor|border|cellpadding|cellspacing|height|width)” attribute on the “(table|td|th)” element is obsolete\./,
    reason: "Outlook on Windows lays out with Word, which goes by these.",
  },
  {
    judge: "vnu",
    rule: /^Attribute “xmlns:o” not allowed here\.$/,
    reason: "Names the elements of Office in the conditional comment that gives Outlook its scale of pixels.",
  },
  {
    judge: "vnu",
    rule: /^CSS: “mso-(hide|padding-alt)”: Property “mso-(hide|padding-alt)” doesn't exist\.$/,
    reason: "Outlook on Windows hides the preheader and pads the button by these.",
  },
  {
    judge: "vnu",
    rule: /^CSS: “supported-color-schemes”: Property “supported-color-schemes” doesn't exist\.$/,
    reason: "The name that color-scheme has in older Apple Mail.",
  },
  {
    judge: "vnu",
    rule: /^Element “meta” is missing one or more of the following attributes: “content”, “property”\.$/,
    reason: "x-apple-disable-message-reformatting is a switch of Apple Mail without a value.",
  },
];
