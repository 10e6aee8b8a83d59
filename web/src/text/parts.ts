/** Splits a tweet's text at the entities that the API found in it, and at what a search has found. */

import type { Entity, Highlight } from "../api/client";

export interface Part {
  text: string;
  /** What the part links to; null for plain text. */
  entity: Entity | null;
  /** Whether a search has found it. */
  found: boolean;
}

/** Entities count in code points. Where the text has something else, no entity is shown at all. */
export function parts(
  content: string,
  entities: readonly Entity[],
  highlights: readonly Highlight[] = [],
): Part[] {
  const characters = Array.from(content);
  const slice = (from: number, to: number) => characters.slice(from, to).join("");
  const all: Part[] = [];

  /** Adds plain text, of which parts may be found. */
  function addPlain(from: number, to: number) {
    for (const { start, length } of [...highlights, { start: to, length: 0 }]) {
      const begin = Math.min(Math.max(start, from), to);
      const end = Math.min(start + length, to);
      if (begin > from) add(from, begin, false);
      if (end > begin) add(begin, end, true);
      from = Math.max(from, end);
    }
  }
  function add(from: number, to: number, found: boolean) {
    const text = foldBlankLines(slice(from, to), from === 0, to === characters.length);
    all.push({ text, entity: null, found });
  }

  let end = 0;
  for (const entity of entities) {
    const { start, length, text } = entity;
    if (start < end || slice(start, start + length) !== text) return parts(content, [], highlights);
    addPlain(end, start);
    end = start + length;
    const found = highlights.some((it) => it.start < end && it.start + it.length > start);
    all.push({ text: shown(entity), entity, found });
  }
  addPlain(end, characters.length);
  return all;
}

function shown({ type, text, name }: Entity): string {
  if (type === "mention") return name ? `@${name}` : text;
  return type === "link" ? text.replace(/^https?:\/\//i, "") : text;
}

/** At most one blank line between lines, and none where the whole text begins and ends. */
function foldBlankLines(text: string, begins: boolean, ends: boolean): string {
  if (begins) text = text.replace(/^(?:[^\S\n]*\n)+/, "");
  if (ends) text = text.trimEnd();
  return text.replace(/\n(?:[^\S\n]*\n){2,}/g, "\n\n");
}
