/** ONNX Runtime in Node. The browser's twin is runtime.browser.ts. */
import * as runtime from "onnxruntime-node";

runtime.env.logLevel = "error";

export { runtime };
