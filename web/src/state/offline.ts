/** Registers the service worker that shows a page without a network: public/service-worker.js. */

const WORKER = "/service-worker.js";

let registered = false;

export async function registerOfflinePage() {
  // It is called at each sign-in, but the policy below can be created only once.
  if (registered) return;
  registered = true;
  // Browsers offer service workers to secure pages only. `npm run dev` needs no offline page.
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(trustedUrl(WORKER));
  } catch {
    // Forbidden, or no network: without a worker, the browser shows its own error page.
    return;
  }
}

/** The page's Content-Security-Policy accepts a worker's address only from this Trusted Types policy. */
function trustedUrl(address: string): string {
  const types = (window as unknown as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (!types) return address;
  return types
    .createPolicy("service-worker", { createScriptURL: () => WORKER })
    .createScriptURL(address);
}

/** Missing in TypeScript's library. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: () => string },
  ): { createScriptURL: (address: string) => string };
}
