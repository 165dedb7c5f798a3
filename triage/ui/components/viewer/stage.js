/** The image on its canvas, with the map over it: fitted, zoomed, moved and labelled. */
export class Stage {
  label(image) {
    const opposite = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
    const turn = (text) => [...(text ?? "")].map((letter) => opposite[letter] ?? "").join("");
    const [right, bottom] = image.orientation;
    this.sides.r.textContent = right ?? "";
    this.sides.l.textContent = turn(right);
    this.sides.b.textContent = bottom ?? "";
    this.sides.t.textContent = turn(bottom);
    this.what.textContent = [image.modality, image.view].filter(Boolean).join(" ");
  }

  // Drawing

  fit() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const [columns, rows] = this.shape();
    const scale = Math.min(width / columns, height / rows);
    return { scale, x: (width - columns * scale) / 2, y: (height - rows * scale) / 2 };
  }

  /** Width and height on the screen, where pixels need not be square. */
  shape() {
    const [down, across] = this.image()?.spacing_mm ?? [];
    const aspect = down && across ? down / across : 1;
    return [this.bitmap.width, this.bitmap.height * aspect];
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.stage;
    const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== pixels[0] || this.canvas.height !== pixels[1]) [this.canvas.width, this.canvas.height] = pixels;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, ...pixels);
    this.info.textContent = "";
    if (!this.bitmap) return;
    const view = this.view ?? this.fit();
    const [columns, rows] = this.shape();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = view.scale < 3;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, view.x, view.y, columns * view.scale, rows * view.scale);
    if (this.overlay && this.mapOn) {
      context.imageSmoothingEnabled = true;
      context.globalAlpha = this.opacity;
      context.drawImage(this.overlay, view.x, view.y, columns * view.scale, rows * view.scale);
      context.globalAlpha = 1;
    }
    this.info.textContent = `${this.bitmap.width} x ${this.bitmap.height} px\u2003zoom ${Math.round(view.scale * ratio * 100)} %`;
    this.root.dataset.map = this.overlay && this.mapOn ? this.map.number : "";
  }

  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    if (!this.bitmap) return;
    const whole = this.fit();
    const view = this.view ?? whole;
    const scale = Math.min(Math.max(view.scale * factor, whole.scale * 0.5), 16);
    const by = scale / view.scale;
    this.view = { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
    this.draw();
  }

  move(dx, dy) {
    if (!this.bitmap) return;
    const view = this.view ?? this.fit();
    this.view = { ...view, x: view.x + dx, y: view.y + dy };
    this.draw();
  }

  hand() {
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.canvas.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) this.move(event.movementX, event.movementY);
    });
    this.canvas.addEventListener("dblclick", () => this.whole());
  }

  whole() {
    this.view = null;
    this.draw();
  }
}

