/** One report of the server on a file, or on a member of an archive. */
export interface Report {
  file: string;
  accepted: boolean;
  sentence: string;
  study_instance_uid: string;
  outcome: "new" | "duplicate" | "conflict" | null;
}

/** What the server says of an upload. */
export interface Told {
  offset: number;
  state: "arriving" | "reading" | "done";
  reports: Report[];
}

/** Any answer of the server; `body` is null where it is not JSON. */
export interface Answer {
  status: number;
  body: (Partial<Told> & { error?: string }) | null;
}

export type Outcome = "" | "taken" | "here" | "refused" | "cancelled" | "archive";

/** One file that a person chose, or a member of an archive. */
export interface Item {
  /** How the server knows the upload; of a member only a key. */
  id: string;
  name: string;
  size: number;
  /** Let go once it is sent. */
  file: Blob | null;
  priority: string;
  /** Modality of NIfTI volumes, which do not state it. */
  nifti: string;
  state: "waiting" | "sending" | "reading" | "done";
  outcome: Outcome;
  sentence: string;
  uid: string;
  /** Bytes that have arrived, those under way among them. */
  sent: number;
  /** Where the next chunk begins; null while only the server knows. */
  offset: number | null;
  /** Every byte has gone out once, though no answer came. */
  gone: boolean;
  /** The server no longer had it after that, so what is "already here" may be this very upload. */
  lost: boolean;
  /** Reports on members so far. */
  members: number;
  taken: number;
  cancelled: boolean;
}

/** The way to the server. A request that fails without an answer rejects. */
export interface Way {
  put(item: Item, offset: number, chunk: Blob, told: (loaded: number, all: boolean) => void, signal: AbortSignal): Promise<Answer>;
  ask(item: Item, signal: AbortSignal): Promise<Answer>;
  drop(item: Item): Promise<Answer>;
  completed(studies: string[]): Promise<unknown>;
}

export interface Group {
  key: string;
  uid: string;
  items: Item[];
}

/** One line of the list. */
export interface Row {
  key: string;
  kind: "head" | "study" | "file" | "refusal";
  height: number;
  group?: Group;
  item?: Item;
  open?: boolean;
}
