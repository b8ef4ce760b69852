import type { Command } from "commander";
import { examine, type Finding } from "../doctor.ts";
import { OperatorError } from "../failure.ts";
import { readProcessConfig } from "../settings/config.ts";
import type { Terminal } from "../terminal.ts";

const marks = { ok: "ok     ", note: "note   ", wrong: "WRONG  " } as const;

/** `latchkey doctor` */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  program
    .command("doctor")
    .description("look for what would keep the server from working; changes nothing")
    .action(async () => {
      const findings = await examine(readProcessConfig());
      terminal.out(findings.map(findingLine).join(""));
      const wrong = findings.filter(({ state }) => state === "wrong").length;
      if (wrong > 0) throw new OperatorError(wrong === 1 ? "1 thing is wrong." : `${wrong} things are wrong.`);
    });
}

function findingLine({ subject, state, text }: Finding): string {
  return `${marks[state]} ${subject.padEnd(14)} ${text}\n`;
}
