/** Of one finding, from evaluation.json (pipelines/operating_points.py): lists of equal length, the lowest threshold first. */
export interface Curve {
  probability: number[];
  sensitivity: number[];
  sensitivity_low: (number | null)[];
  sensitivity_high: (number | null)[];
  specificity: number[];
  specificity_low: (number | null)[];
  specificity_high: (number | null)[];
}

/** A figure with its 95 % interval, null where none is known or where there is no figure. */
export interface Figure {
  value: number | null;
  low: number | null;
  high: number | null;
}

/** Sensitivity and specificity of acting from one probability. */
export interface Point {
  sensitivity: Known;
  specificity: Known;
}

export interface Known extends Figure {
  value: number;
}

/** What a point means where a share of the studies has the finding. */
export interface Consequences {
  flags: Figure;
  sensitivity: Figure;
  specificity: Figure;
  ppv: Figure;
  npv: Figure;
  misses: Figure;
}

/** What triage/ui/explorer.py tells of a finding. */
export interface ExplorerFinding {
  name: string;
  label: string;
  /** The level that a positive one proposes; null where it is experimental. */
  proposes: string | null;
  own: number;
  /** In force. */
  point: number;
  set: { at: string; actor: string; comment: string } | null;
  share: number;
  with_it: number;
  without_it: number;
  curve: Curve;
}

export interface ExplorerData {
  bundle: string;
  title: string;
  weights: string;
  findings: ExplorerFinding[];
  language: string;
  zone: string;
}
