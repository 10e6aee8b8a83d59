/** Splits a tweet's text into plain text, entities (mentions, hashtags, links) and matches of a search. */

import type { Entity, Highlight } from "../api/client";

export interface TextPart {
  text: string;
  /** What the part links to; null for plain text. */
  entity: Entity | null;
  /** Whether it matches the search. */
  isMatch: boolean;
}

/** Entities are in code points. If one of them does not match the text, all of it is plain text. */
export function splitText(
  content: string,
  entities: readonly Entity[],
  highlights: readonly Highlight[] = [],
): TextPart[] {
  const characters = Array.from(content);
  const slice = (from: number, to: number) => characters.slice(from, to).join("");
  const parts: TextPart[] = [];

  /** Adds plain text, split at the matches of the search. */
  function addPlain(from: number, to: number) {
    for (const { start, length } of [...highlights, { start: to, length: 0 }]) {
      const begin = Math.min(Math.max(start, from), to);
      const end = Math.min(start + length, to);
      if (begin > from) add(from, begin, false);
      if (end > begin) add(begin, end, true);
      from = Math.max(from, end);
    }
  }
  function add(from: number, to: number, isMatch: boolean) {
    const text = foldBlankLines(slice(from, to), from === 0, to === characters.length);
    parts.push({ text, entity: null, isMatch });
  }

  let end = 0;
  for (const entity of entities) {
    const { start, length, text } = entity;
    if (start < end || slice(start, start + length) !== text)
      return splitText(content, [], highlights);
    addPlain(end, start);
    end = start + length;
    const isMatch = highlights.some((it) => it.start < end && it.start + it.length > start);
    parts.push({ text: displayText(entity), entity, isMatch });
  }
  addPlain(end, characters.length);
  return parts;
}

function displayText({ type, text, name }: Entity): string {
  if (type === "mention") return name ? `@${name}` : text;
  return type === "link" ? text.replace(/^https?:\/\//i, "") : text;
}

/** Removes blank lines at the beginning and the end of the whole text, and all but one in between. */
function foldBlankLines(text: string, begins: boolean, ends: boolean): string {
  if (begins) text = text.replace(/^(?:[^\S\n]*\n)+/, "");
  if (ends) text = text.trimEnd();
  return text.replace(/\n(?:[^\S\n]*\n){2,}/g, "\n\n");
}
