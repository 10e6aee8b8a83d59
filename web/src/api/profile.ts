/** The calls that edit the reader's profile. Fetched with the dialog. */

import { call, sendForm, type Portrait } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

/** A part of a picture, in pixels after rotation. */
export interface Square {
  x: number;
  y: number;
  size: number;
}

/** The changed fields; null clears a text. */
export type ProfileChange = Partial<Pick<Schemas["ProfileDraft"], "name" | "about">> &
  Partial<Pick<Schemas["ProfileDraft"], "title" | "department">>;

export const changeProfile = (id: number, change: ProfileChange) =>
  call("PATCH", `/users/${id}`, change);

export async function setPortrait(
  id: number,
  file: Blob,
  square: Square,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<Portrait> {
  const form = new FormData();
  form.append("file", file);
  for (const [name, value] of Object.entries(square)) form.append(name, String(value));
  const path = `/users/${id}/picture`;
  return (await sendForm<Schemas["PictureResponse"]>("PUT", path, form, progress, signal)).picture;
}

export const deletePortrait = (id: number) => call("DELETE", `/users/${id}/picture`);
