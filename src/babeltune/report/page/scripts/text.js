// What every page shares: its elements by their ids, and how hostile text is shown.
const $ = (id) => document.getElementById(id);

// Characters that would steer the text around them are shown as what they are.
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\u{e0000}-\u{e007f}\p{Cs}]/gu;
const visible = (text) => String(text).replace(STEERING,
  (c) => "\u27e8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");
