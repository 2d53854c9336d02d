/** The thread in which oneDNN runs. */
import { serve } from "../../platform/worker.ts";
import { makeService } from "./service.ts";

serve(makeService());
