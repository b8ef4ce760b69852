/**
 * Reads a body as text, `limitBytes` at most.
 * @throws Error for a longer one, and TypeError for one that is not UTF-8.
 */
export async function readBounded(response: Response, limitBytes: number): Promise<string> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > limitBytes) {
      await reader.cancel();
      throw new Error(`The answer is longer than ${limitBytes} bytes.`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
