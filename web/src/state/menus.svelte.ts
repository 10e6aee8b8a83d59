/** What the menu of a tweet offers beyond deleting it. Fetched when the pointer comes near. */

export { learnThread, threadActions } from "./subscriptions.svelte";
export { moderationActions } from "./moderation.svelte";
