export interface Found {
  label: string;
  probability: number;
  operating_point: number;
  experimental: boolean;
  /** The reason says it already. */
  named: boolean;
}

export interface Row {
  uid: string;
  cursor: string;
  position: number | null;
  level: string;
  reason: string;
  status: string;
  verdict: string;
  modality: string;
  received_at: string;
  findings: Found[];
  written_name: string;
  name: string;
  id: string;
  age: string;
  sex: string;
  description: string;
}

export interface Stat {
  uid: string;
  name: string;
  description: string;
}

export interface Counts {
  stat: number;
  high: number;
  routine: number;
  low: number;
  waiting: number;
  screening: number;
  ranked: number;
  not_scored: number;
  modalities: Record<string, number>;
}

export interface Answer {
  version: number;
  changed: boolean;
  worker: boolean;
  opened: string;
  open?: Record<string, string>;
  stat?: Stat[];
  counts?: Counts;
  total?: number;
  found?: number;
  before?: number;
  rows?: Row[];
}

export interface Whole extends Answer {
  counts: Counts;
  total: number;
  found: number;
  before: number;
  rows: Row[];
}

export interface Streamlit {
  data: { page_rows: number; language: string; zone: string };
  parentElement: HTMLElement | ShadowRoot;
  setTriggerValue: (name: string, value: string) => void;
}
