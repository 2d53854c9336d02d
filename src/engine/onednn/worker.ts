/** The thread in which oneDNN runs. */
import { serve } from "../../platform/worker.ts";
import { service } from "./service.ts";

serve(service);
