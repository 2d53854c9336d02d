/** ONNX Runtime in Node. The browser's twin is runtime.browser.ts. */
import { unbroken } from "../../platform/worker.ts";

export const runtime = await unbroken(() => import("onnxruntime-node"));

runtime.env.logLevel = "error";
