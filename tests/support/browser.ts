/**
 * A real browser for tests: Chromium without a window, spoken to by its
 * DevTools protocol.
 *
 * @module
 */
import { until } from "./notes.ts";

const names = ["chromium", "chromium-browser", "google-chrome"];

/** Where a browser is, if there is one. */
export const browserPath: string | undefined = (Deno.env.get("PATH") ?? "")
  .split(":").flatMap((folder) => names.map((name) => `${folder}/${name}`))
  .find(isFile);

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

interface Answer {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A browser that runs. */
export class Browser implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #stderr: Promise<void>;
  readonly #pending = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #pages = new Map<string, BrowserPage>();
  #nextId = 1;

  private constructor(
    process: Deno.ChildProcess,
    { folder, socket, stderr }: {
      folder: string;
      socket: WebSocket;
      stderr: Promise<void>;
    },
  ) {
    this.#process = process;
    this.#folder = folder;
    this.#socket = socket;
    this.#stderr = stderr;
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(data));
  }

  /** Starts one, with a profile of its own. */
  static async start(path: string): Promise<Browser> {
    const folder = Deno.makeTempDirSync({ prefix: "mb-" });
    const process = new Deno.Command(path, {
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--remote-debugging-port=0",
        `--user-data-dir=${folder}`,
        "about:blank",
      ],
      env: { HOME: folder },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const listening = Promise.withResolvers<string>();
    const stderr = (async () => {
      let said = "";
      const decoder = new TextDecoderStream();
      for await (const text of process.stderr.pipeThrough(decoder)) {
        said += text;
        const [, url] = /listening on (ws:\S+)\s/.exec(said) ?? [];
        if (url !== undefined) listening.resolve(url);
      }
      listening.reject(new Error(`The browser ended: ${said}`));
    })();
    const socket = new WebSocket(await listening.promise);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Browser(process, { folder, socket, stderr });
  }

  /** Opens a page of that size. */
  async open(url: string, width = 1200): Promise<BrowserPage> {
    const { targetId } = await this.send("Target.createTarget", {
      url: "about:blank",
    });
    const { sessionId } = await this.send("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const page = new BrowserPage(this, sessionId as string);
    this.#pages.set(sessionId as string, page);
    for (const domain of ["Runtime", "Log", "Page", "Network"]) {
      await page.send(`${domain}.enable`);
    }
    await page.send("Emulation.setDeviceMetricsOverride", {
      width,
      height: 800,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await page.send("Page.navigate", { url });
    return page;
  }

  /** One command of the protocol. */
  async send(
    method: string,
    params: Record<string, unknown> = {},
    sessionId?: string,
  ): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<Answer>();
    this.#pending.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answer.promise;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    await this.send("Browser.close");
    await Promise.all([closed, this.#process.status, this.#stderr]);
    await Deno.remove(this.#folder, { recursive: true });
  }

  #heard(message: Answer & { sessionId?: string }): void {
    if (message.id !== undefined) {
      this.#pending.get(message.id)?.resolve(message);
      this.#pending.delete(message.id);
    } else if (message.sessionId !== undefined) {
      this.#pages.get(message.sessionId)?.heard(message);
    }
  }
}

/** One page of it. */
export class BrowserPage {
  /** What its console said in red: errors, exceptions, what was not loaded. */
  readonly errors: string[] = [];
  /** What it asked for. */
  readonly requested: string[] = [];
  readonly #browser: Browser;
  readonly #sessionId: string;

  constructor(browser: Browser, sessionId: string) {
    this.#browser = browser;
    this.#sessionId = sessionId;
  }

  /** What an expression gives there. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails !== undefined) {
      throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    }
    return (result as { value: T }).value;
  }

  /** The text that is seen. */
  async text(): Promise<string> {
    return await this.evaluate<string>("document.body?.innerText ?? ''");
  }

  /** Resolves once that text is seen. */
  async shows(text: string): Promise<void> {
    let seen = "";
    try {
      await until(
        async () => (seen = await this.text()).includes(text),
        `"${text}" in the page`,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${seen} ${this.errors}`);
    }
  }

  /** One command of the protocol. */
  async send(
    method: string,
    params: Record<string, unknown> = {},
  ): Promise<Record<string, unknown>> {
    return await this.#browser.send(method, params, this.#sessionId);
  }

  /** The browser tells of it. */
  heard({ method, params }: Answer): void {
    const told = params as {
      type?: string;
      entry?: { level: string; text: string; url?: string };
      request?: { url: string };
    };
    if (method === "Network.requestWillBeSent") {
      this.requested.push(told.request!.url);
    }
    const isError = method === "Runtime.exceptionThrown" ||
      method === "Runtime.consoleAPICalled" && told.type === "error" ||
      method === "Log.entryAdded" && told.entry!.level === "error";
    if (isError) this.errors.push(JSON.stringify(params));
  }
}
