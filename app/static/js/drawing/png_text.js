// Texts in PNG files, as the PNG specification's tEXt chunks. No DOM here.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const HEADER_END = 33; // of the signature and the first chunk, which has 13 bytes
const AROUND = 12; // bytes of a chunk that are not its data: length, type, checksum

/**
 * @param {Uint8Array} png
 * @param {string} keyword  of 1 to 79 ASCII characters
 * @param {string} text  ASCII
 * @returns {Uint8Array} the file with the text
 */
export function withText(png, keyword, text) {
  const data = new TextEncoder().encode(`tEXt${keyword}\0${text}`);
  const chunk = new Uint8Array(data.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length - 4);
  chunk.set(data, 4);
  view.setUint32(data.length + 4, checksum(data));
  return Uint8Array.from([...png.subarray(0, HEADER_END), ...chunk, ...png.subarray(HEADER_END)]);
}

/**
 * @param {Uint8Array} file
 * @param {string} keyword
 * @returns {string} "" if the file is no PNG or does not have the text
 */
export function textOf(file, keyword) {
  if (SIGNATURE.some((byte, i) => file[i] !== byte)) return "";
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = `tEXt${keyword}\0`;
  for (let at = SIGNATURE.length; at + AROUND <= file.length; at += view.getUint32(at) + AROUND) {
    const data = new TextDecoder("latin1").decode(file.subarray(at + 4, at + 8 + view.getUint32(at)));
    if (data.startsWith(start)) return data.slice(start.length);
  }
  return "";
}

/** CRC-32, as in the PNG specification. @param {Uint8Array} bytes */
function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
