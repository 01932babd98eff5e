// Speaks to the service at the address it is given, through types that openapi-typescript has made of the service's document.
// It signs in with the e-mail address and the password that it is given.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2]! });

function same(what: string, got: unknown, want: unknown): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) {
    throw new Error(`${what} is ${a}, want ${b}`);
  }
}

const created = await client.POST("/products", { body: { name: "Ä lamp", price: 49.9 } });
const product = created.data!.data;
same("created", created.data, { success: true, data: { id: product.id, name: "Ä lamp", price: 49.9 }, error: null });
same("location", created.response.headers.get("Location"), `/products/${product.id}`);

const got = await client.GET("/products/{id}", { params: { path: { id: product.id } } });
same("got", got.data?.data, product);

const listed = await client.GET("/products", { params: { query: { sort: "-price", limit: 1, total: true, q: "lamp" } } });
same("listed", listed.data?.data.items, [product]);
same("total", listed.data?.data.total, 1);

const invalid = await client.POST("/products", { body: { name: "", price: -1 } });
const violations: components["schemas"]["Violation"][] = invalid.error?.details ?? [];
same("rules", violations.map((v) => `${v.field} ${v.rule}`), ["name required", "price gt"]);

const missing = await client.GET("/products/{id}", { params: { path: { id: 1_000_000 } } });
same("code", missing.error?.code, "not_found");

const unknown = await client.GET("/accounts/me");
same("code", unknown.error?.code, "unauthorized");
const [email, password] = [process.argv[3]!, process.argv[4]!];
const session = await client.POST("/accounts/sign-in", { body: { email, password, use: "token" } });
const headers = { Authorization: `Bearer ${session.data?.data.token}` };
const me = await client.GET("/accounts/me", { headers });
same("e-mail", me.data?.data.email, email);
const out = await client.POST("/accounts/sign-out", { headers });
same("signed out", out.response.status, 204);
const over = await client.GET("/accounts/me", { headers });
same("code", over.error?.code, "unauthorized");

async function refused(): Promise<void> {
  // @ts-expect-error: the price is required
  await client.POST("/products", { body: { name: "lamp" } });
  // @ts-expect-error: nothing is sorted by this
  await client.GET("/products", { params: { query: { sort: "color" } } });
}
