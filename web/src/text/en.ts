/** The page's words in English. Every other language has exactly these. */

import type { Details } from "../api/client";
import { plurals } from "./plurals";
import { units } from "./units";

const many = plurals("en");
const { bytes, millions } = units("en", { kB: "kB", MB: "MB" });

export const en = {
  language: "English",
  claim: "What your company is talking about.",

  // Getting around.
  home: "Home",
  people: "People",
  profile: "Profile",
  settings: "Settings",
  close: "Close",
  cancel: "Cancel",
  skip: "Skip to the content",
  navigation: "Main",
  nothingHere: "There is nothing here",
  nothingHereMore: "The address may be mistyped, or what was here is gone.",
  toHome: "To the home page",

  // Signing in.
  signIn: "Sign in",
  signingIn: "Signing in…",
  signOut: "Sign out",
  export: "Take your data along",
  exportMore: "Your profile, follows, tweets, likes and pictures, in one archive.",
  key: "Your api-key",
  keyHint: "It was given to you when you were added. Lost it? An administrator can make a new one.",
  keyWrong: "This key is not valid. Check that all of it was copied.",
  showKey: "Show",
  hideKey: "Hide",
  signOutMore: "A tweet that you have not posted yet is forgotten on this device.",

  // The feed.
  popular: "Popular",
  recent: "Recent",
  following: "Following",
  everyone: "Everyone",
  order: "Order",
  whose: "Whose tweets",
  feedOf: { following: "Tweets of those you follow", everyone: "Everyone's tweets" },
  newTweets: (n: number) =>
    n >= 20 ? "20 or more new tweets" : many(n, { one: "# new tweet", other: "# new tweets" }),
  loading: "Loading…",
  more: "Load more",
  end: "That is all.",
  emptyFollowing: "Follow somebody, and their tweets are here",
  emptyFollowingMore: "These are people whom many follow:",
  emptyEveryone: "Nobody has written anything yet",
  emptyEveryoneMore: "Be the first: write a few words about what you are doing.",
  suggestions: "Whom to follow",
  allPeople: "All people",

  // Writing.
  write: "Write",
  writeTitle: "A new tweet",
  prompt: "What is going on?",
  post: "Post",
  posting: "Posting…",
  posted: "Posted.",
  charactersLeft: (n: number) =>
    n >= 0
      ? many(n, { one: "# character left", other: "# characters left" })
      : many(-n, { one: "# character too many", other: "# characters too many" }),
  addPictures: "Add pictures",
  dropPictures: "Drop the pictures here",
  removePicture: (n: number) => `Remove picture ${n}`,
  alt: (n: number) => `Description of picture ${n}`,
  altPrompt: "Describe it for those who cannot see it",
  pictureFailed: "Not sent",
  pictureSending: (percent: number) => `Sending: ${percent} %`,
  unfit: {
    kind: "Only JPEG, PNG, WebP and GIF pictures can be attached.",
    number: "A tweet has four pictures at most.",
  },
  firstFrameOnly: "The PNG is animated: only its first frame is kept.",
  draftKept: "Nothing is lost: try again.",

  // A tweet.
  like: "Like",
  unlike: "Take the like back",
  likes: (n: number) => many(n, { one: "# like", other: "# likes" }),
  likedBy: "Liked by",
  noLikes: "Nobody likes it yet",
  delete: "Delete",
  deleteAsk: "Delete this tweet?",
  deleteMore: "It goes for good, with its pictures and likes.",
  deleted: "The tweet is deleted.",
  picture: (n: number, of: number) => `Picture ${n} of ${of}`,
  openPicture: (n: number, of: number) => `Open picture ${n} of ${of}`,
  longPicture: "Open the whole picture",
  pictureGone: "The picture could not be loaded",
  previous: "Previous picture",
  next: "Next picture",
  tweetBy: (name: string) => `Tweet by ${name}`,
  justNow: "now",

  // People.
  follow: "Follow",
  unfollow: "Stop following",
  followed: "Following",
  you: "That is you",
  followers: (n: number) => many(n, { one: "# follower", other: "# followers" }),
  followingCount: (n: number) => `${n} following`,
  tweets: "Tweets",
  followersTab: "Followers",
  followingTab: "Following",
  noFollowers: (name: string) => `Nobody follows ${name} yet`,
  noFollowing: (name: string) => `${name} follows nobody yet`,
  noTweets: (name: string) => `${name} has not written anything yet`,
  noPerson: "There is no such person",
  noPersonMore: "The address may be mistyped, or the person was never here.",
  search: "Find people by name",
  found: (n: number) => many(n, { one: "# person found", other: "# people found" }),
  noneFound: (name: string) => `Nobody is called “${name}”`,
  noneFoundMore: "A part of the name is enough, and a typo is forgiven.",
  rename: "Change name",
  name: "Name",
  save: "Save",

  // Settings.
  theme: "Appearance",
  themes: { system: "As the system", light: "Light", dark: "Dark" },
  languageTitle: "Language",
  shortcuts: "Keyboard shortcuts",
  shortcutsOn: "Single-key shortcuts",
  keys: {
    help: "These shortcuts",
    write: "Write a tweet",
    next: "Next tweet",
    previous: "Previous tweet",
    like: "Like or unlike it",
    open: "Open its pictures",
    author: "To its author",
    fresh: "Show new tweets",
    home: "Home",
    people: "People",
    profile: "Your profile",
    search: "Find people",
    send: "Post what is written",
  },
  then: "then",

  // What went wrong.
  offline: "You are offline. What you see may be out of date.",
  unreachable: "Warble cannot be reached",
  tryAgain: "Try again",
  failed: "That did not work",
  reasons: {
    Offline: "There is no connection. Try again when you are online.",
    Unreadable: "The answer could not be understood. Try again in a moment.",
    ReadOnlyKey: "Your key may only read.",
    NotSignedIn: "You are not signed in any more.",
    TweetNotFound: "This tweet is not there any more.",
    TweetAlreadyDeleted: "This tweet was posted and then deleted. Post again to make a new one.",
    TweetEmpty: "Write something first.",
    TweetTooLong: "The text is too long.",
    TextNotAccepted: "The text has characters that cannot be kept.",
    NotTheAuthor: "Only its author can delete a tweet.",
    UserNotFound: "This person is not there any more.",
    NameNotAccepted: "This cannot be a name.",
    CannotFollowYourself: "You cannot follow yourself.",
    MediaNotFound: "A picture waited for too long. Post again: it is sent anew.",
    MediaTaken: "A picture is in another tweet already. Attach it again.",
    NotYourMedia: "A picture was uploaded by somebody else. Attach it again.",
    TooManyImages: "There are too many pictures.",
    ImageTooLarge: "The picture is too large.",
    ImageTooManyPixels: "The picture has too many pixels.",
    ImageTooManyFrames: "The animation has too many frames.",
    ImageTooCostly: "The picture takes too much to be made ready. Take a smaller or a simpler one.",
    ImageNotAccepted: "This file is not a picture that can be shown.",
    AltNotAccepted: "The description of a picture is too long.",
    PayloadTooLarge: "This is too large to be sent.",
    TooManyRequests: "That was a bit fast. Try again in a moment.",
    RequestTimeout: "Sending that took too long. Try again.",
    InternalError: "Something went wrong on our side.",
    BadGateway: "A part of Warble has trouble. Try again in a moment.",
    ServiceUnavailable: "A part of Warble is away. Try again in a moment.",
    ServiceOverloaded: "Too many people ask right now. Try again in a moment.",
    ServiceTimeout: "That took too long. Try again in a moment.",
  } as Record<string, string>,
  /** The same for an error that comes with numbers. */
  limits: {
    ImageTooLarge: ({ limit, actual }) =>
      `The picture has ${bytes(actual, true)}; at most ${bytes(limit)} are accepted.`,
    ImageTooManyPixels: ({ limit, actual }) =>
      `The picture has ${millions(actual, true)} million pixels, all frames of an animation together; at most ${millions(limit)} million are accepted.`,
    ImageTooManyFrames: ({ limit, actual }) =>
      `The animation has ${actual} frames; at most ${limit} are accepted.`,
    ImageTooCostly: ({ memory_bytes, seconds, stored_bytes }) =>
      `The picture takes more than ${bytes(memory_bytes)} of memory, ${seconds} seconds of CPU time or ${bytes(stored_bytes)} of storage. Take a smaller or a simpler one.`,
    PayloadTooLarge: ({ limit, actual = limit + 1 }) =>
      `This has ${bytes(actual, true)}; at most ${bytes(limit)} can be sent.`,
  } as Record<string, (details: Details) => string>,
};

export type Words = typeof en;
