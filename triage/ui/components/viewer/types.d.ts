/** What `GET /api/studies/{uid}` answers (triage/web/shown.py). */
export interface Study {
  version: number;
  uid: string;
  position: number | null;
  revision: number;
  screening: number | null;
  status: string;
  level: string;
  ordered: string;
  reason: string;
  received_at: string;
  name: string;
  id: string;
  birth_date: string;
  sex: string;
  age: string;
  accession: string;
  description: string;
  study_date: string;
  images: StudyImage[];
  series: StudySeries[];
  findings: Finding[];
  gates: Record<string, Gate[]>;
  provenance: [string, string][];
  maps: StudyMap[];
  verdicts: Verdict[];
  history: PastResult[];
}

/** What the stage must know of what it shows. */
export interface Seen {
  modality: string;
  /** R, L, B, U; empty: not stated; null: not known to us. */
  laterality: string | null;
  orientation: string[];
}

/** One series that is scrolled through (triage/web/stacks.py). */
export interface StudySeries {
  uid: string;
  number: number | null;
  description: string;
  modality: string;
  slices: number;
  received_at: string;
  facts: {
    orientation: string;
    pixel_mm: [number, number];
    gaps_mm: [number, number];
    thickness_mm: number;
    tilt_deg: number;
  } | null;
  not_taken: string;
  scored: boolean;
  stopped: string;
  left_out: string[];
}

/** What `GET /api/studies/{uid}/series/{uid}` answers. */
export interface SeriesSlices {
  uid: string;
  revision: number;
  screening: number | null;
  modality: string;
  laterality: string | null;
  /** SOP Instance UID and content of each file. */
  instances: [string, string][];
  /** File, frame, position in mm, plane of the map. */
  slices: [number, number, number | null, number | null][];
  findings: string[];
  probabilities: number[][];
  orientation: string[];
  axis: string;
  spacing_mm: [number, number];
  gap_mm: number;
  cut_across: boolean;
}

export interface StudyImage {
  sop_uid: string;
  series_uid: string;
  rows: number;
  columns: number;
  has_pixels: boolean;
  content: string;
  frames: number;
  received_at: string;
  modality: string;
  laterality: string | null;
  view: string;
  orientation: string[];
  spacing_mm: number[];
  description: string;
}

export interface Finding {
  finding: string;
  label: string;
  probability: number;
  operating_point: number;
  positive: boolean;
  /** The level that a positive finding proposes; null where it is experimental. */
  lifts: string | null;
  /** Where the operating point was this site's own when the study was screened. */
  set_by_site: { own: number; set_at: string } | null;
}

export interface Gate {
  gate: string;
  outcome: "passed" | "marked" | "stopped";
  sentence: string;
}

export interface StudyMap {
  number: number;
  sop_uid: string;
  /** Set where the map has a plane for each scored slice of a series. */
  series_uid: string;
  driving: number;
  finding: string;
  method: string;
  method_words: string;
  measure: string;
  maximum: number;
}

export interface Verdict {
  number: number;
  verdict: string;
  comment: string;
  actor: string;
  made_at: string;
  /** Whether it speaks of the newest result, or of an older one. */
  current: boolean;
}

export interface PastResult {
  number: number;
  made_at: string;
  model: string;
  status: string;
  level: string;
  reason: string;
  findings: Finding[];
}

/** What of a study is on the screen now. */
export interface View {
  /** SOP Instance UID of an image or Series Instance UID of a series. */
  shown: string | null;
  finding: string | null;
  map: StudyMap | null;
  mapOn: boolean;
  opacity: number;
  scale: string;
  /** The revision whose images the reader has seen. */
  seen: number | null;
  next: string | null;
}

/** What the panel asks the viewer to do. */
export interface PanelActs {
  chooseMap(finding: string, method?: string): void;
  toggleMap(): void;
  fadeTo(opacity: number): void;
  scaleTo(scale: string): void;
  showNewest(): void;
  /** An image or a series. */
  show(uid: string): void;
  go(uid: string): void;
  /** Draws the evidence again. */
  redraw(): void;
  /** The study was changed on the server: read it again. */
  changed(): void;
}

/** What turns stored values into grey (triage/web/pixels.py). */
export interface Facts {
  rows: number;
  columns: number;
  kind: string;
  colour: boolean;
  stored: [number, number];
  slope: number;
  intercept: number;
  modality_lut: Lut | null;
  voi_luts: Lut[];
  windows: { center: number; width: number; words: string }[];
  function: string;
  range: [number, number];
  inverted: boolean;
  padding: [number, number] | null;
  /** Between rows, then columns, and where it holds; null where the file states none. */
  spacing: { mm: [number, number]; at: "patient" | "detector" | "stated" } | null;
}

export interface Lut {
  first: number;
  bits: number;
  entries: number[];
}

export type Values = Uint8Array | Uint16Array | Int16Array | Int32Array;

export interface Frame {
  facts: Facts;
  values: Values;
  bytes: number;
}

/** How an image lies on the stage. */
export interface Pose {
  /** CSS pixels of the screen for one column; 0 fits the whole image. */
  scale: number;
  x: number;
  y: number;
  quarters: number;
  mirrored: boolean;
}

export interface Streamlit {
  data: { uid: string; map: number | null; previous: string | null; next: string | null; language: string; zone: string };
  parentElement: HTMLElement | ShadowRoot;
  setTriggerValue: (name: string, value: string) => void;
}
