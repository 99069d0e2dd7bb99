// What the pinned Allure generator makes of a run. Called by allure_html.py, which hands over what it knows in
// METERBENCH_REPORT (JSON: name, globalAttachments, benches, severalAreas, requirements). Every page is one file
// that opens from file://.
import { readFileSync } from "node:fs";

const given = JSON.parse(process.env.METERBENCH_REPORT ?? "{}");
const name = given.name ?? "MeterBench";
const rules = JSON.parse(readFileSync(new URL("./categories.json", import.meta.url), "utf8"));
const page = { singleFile: true, reportLanguage: "en", theme: "light" };
const has = ({ labels }, key, value) => labels.some((l) => l.name === key && (value === undefined || l.value === value));

export default {
  name,
  appendHistory: false,
  hideLabels: ["framework", "parentSuite"], // the path above a case says the same
  globalAttachments: given.globalAttachments ?? [],
  // The same case on two benches is two results, not a retry.
  environments: Object.fromEntries(
    (given.benches ?? []).map((bench, index) => [
      `bench-${index + 1}`,
      { name: bench, matcher: (result) => has(result, "bench", bench) },
    ]),
  ),
  categories: rules.map((rule) => ({ ...rule, groupByMessage: true, expand: true })),
  plugins: {
    cases: {
      import: "@allurereport/plugin-awesome",
      options: {
        ...page,
        reportName: name,
        groupBy: given.severalAreas ? [] : ["suite"], // none: by area and plan; a lone area would hide the plans
        sections: ["charts", "timeline"],
        stepTreeExpansion: "expand_failed_only",
      },
    },
    requirements: {
      import: "@allurereport/plugin-awesome",
      options: {
        ...page,
        reportName: `${name}, by requirement`,
        groupBy: ["requirement"],
        filter: (result) => !given.requirements || has(result, "requirement"),
        sections: [],
      },
    },
  },
};
