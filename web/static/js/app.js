// Loaded on every page: what all pages need, and then the modules that a page names.
import "./toasts.js";
import "./theme.js";
import "./times.js";
import "./languages.js";
import "./player.js";
import "./forms.js";
import { live } from "./live.js";

const source = document.body.dataset.live;
if (source) live(source);
