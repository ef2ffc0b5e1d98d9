// Prints on a printer at ADDRESS (port 9100) with receiptio and says what it concludes: `result success`.
"use strict";
const receiptio = require(require.resolve("receiptio", { paths: [process.cwd()] }));

const [address, code] = process.argv.slice(2);
const receipt = `^^^RECEIPT

Asparagus | 1.00
Broccoli  | 2.00
---
{code:${code}; option:qrcode,4,m}
`;
receiptio.print(receipt, `-d ${address} -p escpos -c 48 -t 20`).then((result) => console.log("result", result));
