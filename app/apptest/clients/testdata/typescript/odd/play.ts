// What the generated exchanges.ts needs: a client of the service, and play, which prints the outcome of a call.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { argv: string[] };

export const client = createClient<paths>({ baseUrl: process.argv[2]!, redirect: "manual" });

/** Reads is the type of what an endpoint answers with under a status. */
export type Reads<P extends keyof paths, M extends keyof paths[P], S extends number | "default"> = paths[P][M] extends {
  responses: Record<S, { content: { "application/json": infer J } }>;
}
  ? J
  : never;

const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** play makes a call and prints its outcome on a line. */
export async function play(call: () => Promise<{ data?: unknown; error?: unknown; response: Response }>): Promise<void> {
  try {
    const { data, error, response } = await call();
    const value = response.ok ? data : error;
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    console.log(JSON.stringify({ Status: response.status, Answer: base64(text) }));
  } catch (e) {
    console.log(JSON.stringify({ Unread: String(e) }));
  }
}

/** file is a file of a form; the generated types have files as text. */
export const file = (name: string, content: string) => new File([content], name) as unknown as string;

/** bytes are a body that is no text. */
export const bytes = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** asItIs sends a body as it is. */
export const asItIs = (body: unknown) => body as BodyInit;

/** fill puts the members of a form into what is sent; of a list, every element. */
function fill<T extends { append(name: string, value: any): void }>(form: T, body: object): T {
  for (const [name, value] of Object.entries(body)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      form.append(name, one);
    }
  }
  return form;
}

export const asForm = (body: object) => fill(new URLSearchParams(), body);
export const asMultipart = (body: object) => fill(new FormData(), body);
