/** Splits a tweet's text at the entities that the API found in it. */

import type { Entity } from "../api/client";

export interface Part {
  text: string;
  /** What the part links to; null for plain text. */
  entity: Entity | null;
}

/** Entities count in code points. Where the text has something else, no entity is shown at all. */
export function parts(content: string, entities: readonly Entity[]): Part[] {
  if (entities.length === 0) return [{ text: foldBlankLines(content, true, true), entity: null }];
  const characters = Array.from(content);
  const slice = (from: number, to?: number) => characters.slice(from, to).join("");
  const found: Part[] = [];
  let end = 0;
  for (const entity of entities) {
    const { start, length, text } = entity;
    if (start < end || slice(start, start + length) !== text) return parts(content, []);
    if (start > end) {
      found.push({ text: foldBlankLines(slice(end, start), end === 0, false), entity: null });
    }
    found.push({ text: shown(entity), entity });
    end = start + length;
  }
  if (end < characters.length) {
    found.push({ text: foldBlankLines(slice(end), end === 0, true), entity: null });
  }
  return found;
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
