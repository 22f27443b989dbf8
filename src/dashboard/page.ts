/**
 * The dashboard's page: one text with its style and its script in it, which
 * loads nothing else, and the policy that lets a browser run these two and
 * nothing besides.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { script } from "./page_script.ts";
import { style } from "./page_style.ts";

/** The whole page; it holds no data. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>manta</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>manta <small id="name"></small></h1>
<label><input type="checkbox" id="pause"> pause</label>
</header>
<nav id="views" aria-label="views"></nav>
<p id="trouble" role="alert" hidden></p>
<p id="why" role="status" hidden></p>
<p id="controls" hidden></p>
<main id="view"><p class="quiet">asking …</p></main>
<footer id="notes"></footer>
<noscript>This page needs JavaScript: it asks the program what runs.</noscript>
<script>${script}</script>
</body>
</html>
`;

/** For the header `Content-Security-Policy`. */
export const contentPolicy: string = [
  "default-src 'none'",
  `script-src '${hashOf(script)}'`,
  `style-src '${hashOf(style)}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
