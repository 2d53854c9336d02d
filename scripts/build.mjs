/** `npm run build`: dist/ from src/, where anything changed. */
import { ensureBuilt, script } from "./setup.mjs";

await script(ensureBuilt);
