// Takes ESC/POS bytes apart with npos: `node npos_decode.js RECEIPT FOLDER`.
// Prints `text LINE` for each line and `pictures N`, and writes one PBM for each picture.
"use strict";
const fs = require("fs");
const path = require("path");
// npos is older than Node's rule against `new Buffer`.
process.noDeprecation = true;
const npos = require(require.resolve("npos", { paths: [process.cwd()] }));

// Its parser draws neighbouring pictures as one, whatever their widths: each is decoded by itself here.
const raster = require(require.resolve("npos/lib/codecs/raster", { paths: [process.cwd()] }));

const [file, folder] = process.argv.slice(2);
const bytes = fs.readFileSync(file);

// The rows of one picture; strips of the same width belong to the same picture.
function rows(node) {
  const image = raster.decode(bytes, node);
  const row = (y) => Array.from({ length: image.width }, (_, x) => (image.getPixel(x, y) === 0 ? 1 : 0));
  return Array.from({ length: image.height }, (_, y) => row(y));
}

npos.parser().parse(bytes).then((ast) => {
  if (ast.error) {
    throw ast.error;
  }
  const pictures = [];
  const nodes = ast.entries.filter((entry) => entry.type === "raster").flatMap((entry) => entry.nodes);
  nodes.map(rows).forEach((strip) => {
    const last = pictures[pictures.length - 1];
    if (last && last[0].length === strip[0].length) {
      last.push(...strip);
    } else {
      pictures.push(strip);
    }
  });
  pictures.forEach((picture, number) => {
    const lines = picture.map((row) => row.join(" ")).join("\n");
    const pbm = `P1\n${picture[0].length} ${picture.length}\n${lines}\n`;
    fs.writeFileSync(path.join(folder, `picture-${number}.pbm`), pbm);
  });
  const text = ast.entries.filter((entry) => entry.type === "text").map((entry) => String(entry.data)).join("");
  text.split("\n").map((line) => line.trim()).filter(Boolean).forEach((line) => console.log("text", line));
  console.log("pictures", pictures.length);
}).catch((error) => {
  console.error(error);
  process.exit(1);
});
