/**
 * Reading four bytes at once from a Uint8Array takes a DataView, and making one costs as much as
 * compressing some fifty bytes. Callers hand in the same few buffers again and again.
 */
export class DataViewCache {
  #view: DataView = new DataView(new ArrayBuffer(0));

  /**
   * A view of the whole buffer that `bytes` lies in: add `bytes.byteOffset` to an index. Offsets
   * are checked against the buffer only, not against `bytes`.
   */
  of(bytes: Uint8Array): DataView {
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    return this.#view;
  }
}
