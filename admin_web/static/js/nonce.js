// A fresh nonce for one submission of a form. (crypto.randomUUID is missing on plain http in a home network.)

export function newNonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
