import type { NextConfig } from "next";

const config: NextConfig = {
  // Loaded by Node.js as it is: it brings native modules.
  serverExternalPackages: ["latchkey"],
};

export default config;
