/** The page that a visit without a network shows is a service worker's: public/service-worker.js. */

const WORKER = "/service-worker.js";

let asked = false;

export async function registerOfflinePage() {
  // Somebody else may sign in, and the policy below can be made once.
  if (asked) return;
  asked = true;
  // Browsers have none over http; the server of `npm run dev` changes the page all the time.
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(trusted(WORKER));
  } catch {
    // It is forbidden, or the network is gone: then the browser's own page is shown.
    return;
  }
}

/** The page's policy takes the address of a worker only from a policy that it names. */
function trusted(address: string): string {
  const types = (window as unknown as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (!types) return address;
  return types
    .createPolicy("service-worker", { createScriptURL: () => WORKER })
    .createScriptURL(address);
}

/** What TypeScript's library lacks. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: () => string },
  ): { createScriptURL: (address: string) => string };
}
