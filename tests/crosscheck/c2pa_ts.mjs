// Reads MP4 files named on the command line with c2pa-ts and prints {path: {valid, codes}} as JSON.
// c2pa-ts has no trust list, knows HEIC brands only, and expects whole time-stamp responses where
// C2PA 2.x stores bare tokens: the last two are taught here, the first is what the table says.
import fs from "node:fs/promises";
import { webcrypto } from "node:crypto";
import { BMFF, ManifestStore, SuperBox, ValidationResult, pkijs } from "./vendor/c2pa-ts.min.mjs";

globalThis.crypto ??= webcrypto;
for (const brand of ["isom", "mp41", "mp42"]) BMFF.canReadBrands.add(brand);
const whole = pkijs.TimeStampResp.fromBER.bind(pkijs.TimeStampResp);
pkijs.TimeStampResp.fromBER = (raw) => {
  try {
    return whole(raw);
  } catch {
    const status = new pkijs.PKIStatusInfo({ status: 0 });
    return new pkijs.TimeStampResp({ status, timeStampToken: pkijs.ContentInfo.fromBER(raw) });
  }
};

async function judged(path) {
  const data = new Uint8Array(await fs.readFile(path));
  try {
    if (!(await BMFF.canRead(data))) return { valid: false, codes: ["not an MP4"] };
    const asset = new BMFF(data);
    const store = await asset.getManifestJUMBF();
    if (!store) return { valid: false, codes: ["no manifest"] };
    const result = await ManifestStore.read(SuperBox.fromBuffer(store)).validate(asset);
    const failed = result.statusEntries.filter((entry) => !entry.success);
    return { valid: result.isValid, codes: [...new Set(failed.map((entry) => entry.code))] };
  } catch (error) {
    return { valid: false, codes: [`error: ${String(error.message ?? error).slice(0, 120)}`] };
  }
}

const said = {};
for (const path of process.argv.slice(2)) said[path] = await judged(path);
console.log(JSON.stringify(said));
