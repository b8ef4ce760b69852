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
    .description("check everything the server needs; changes nothing")
    .action(async () => {
      const findings = await examine(readProcessConfig());
      terminal.out(findings.map(findingLine).join(""));
      const wrong = findings.filter(({ state }) => state === "wrong").length;
      if (wrong > 0) throw new OperatorError(wrong === 1 ? "1 problem found." : `${wrong} problems found.`);
    });
}

function findingLine({ subject, state, text }: Finding): string {
  return `${marks[state]} ${subject.padEnd(14)} ${text}\n`;
}
