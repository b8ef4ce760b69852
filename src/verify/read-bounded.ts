/**
 * Reads a body as text, at most `limitBytes`.
 * @throws Error for a longer one, TypeError for one that is not UTF-8, and the signal's reason when it aborts.
 */
export async function readBounded(response: Response, limitBytes: number, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  await readChunks(response, signal, (chunk) => {
    size += chunk.byteLength;
    if (size > limitBytes) throw new Error(`The answer is longer than ${limitBytes} bytes.`);
    text += decoder.decode(chunk, { stream: true });
  });
  return text + decoder.decode();
}

/**
 * Passes on a body's pieces as they arrive, and always releases the connection in the end. It does not rely on the
 * signal passed to `fetch` for that: Node loses that signal if garbage is collected before it aborts.
 * @throws the signal's reason when it aborts, and any error that `take` throws.
 */
export async function readChunks(
  response: Response,
  signal: AbortSignal,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const cancel = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", cancel, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      take(value);
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}
