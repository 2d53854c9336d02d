/** ONNX Runtime in a browser (WebAssembly): the twin of runtime.ts. */
import * as runtime from "onnxruntime-web/wasm";

runtime.env.logLevel = "error";

export { runtime };
