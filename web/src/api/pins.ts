/** The calls for pinned tweets. Fetched after the first script. */

import { call } from "./client";
import type { components } from "./schema";

/** The tweets that a person has pinned, the last pinned first. */
export const pins = async (id: number) =>
  (await call<components["schemas"]["Pins"]>("GET", `/users/${id}/pins`)).tweet_ids;

export const setPin = (tweetId: number, on: boolean) =>
  call(on ? "PUT" : "DELETE", `/tweets/${tweetId}/pin`);
