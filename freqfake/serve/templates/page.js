"use strict";
(() => {
  const [input, bar, said, problems, session] = ["files", "progress", "said", "problems", "session"]
    .map((id) => document.getElementById(id));
  const body = document.getElementById("pictures").tBodies[0];
  const waiting = [];
  let [total, done, last] = [0, 0, ""];

  const warn = (text) => {
    const item = document.createElement("li");
    item.textContent = text;
    problems.append(item);
  };

  const show = ({ row, counts, words }) => {
    document.getElementById("counts").outerHTML = counts;
    body.insertAdjacentHTML("afterbegin", row);
    session.hidden = false;
    last = `${words}. `;
  };

  const send = async (file) => {
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      return warn(`${file.name} cannot be read; of a folder, choose the files in it`);
    }
    try {
      const query = new URLSearchParams({ name: file.name });
      const answer = await fetch(`pictures?${query}`, { method: "POST", body: file });
      if (answer.status === 201) show(await answer.json());
      else warn(`${file.name} was not scored: ${await answer.text()}`);
    } catch {
      warn(`${file.name} was not scored: freqfake does not answer, it may have ended`);
    }
  };

  const work = async () => {
    bar.hidden = false;
    while (done < total) {
      const file = waiting.shift();
      [bar.max, bar.value] = [total, done];
      said.textContent = `${last}Scoring ${file.name}, ${done + 1} of ${total}`;
      await send(file);
      done += 1;
    }
    bar.hidden = true;
    said.textContent = `${last}${done === 1 ? "" : `${done} of ${total} done.`}`;
    [total, done, last] = [0, 0, ""];
  };

  const add = (files) => {
    if (!total) problems.replaceChildren();
    waiting.push(...files);
    total += files.length;
    if (files.length && total === files.length) work();
  };

  // Browsers call every pasted picture "image.png".
  const named = (file) => {
    if (file.name !== "image.png") return file;
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
    return new File([file], `pasted ${time}.png`, { type: file.type });
  };

  const drag = (on) => document.body.classList.toggle("dragging", on);

  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = ""; // or the same file could not be chosen again
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drag(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget || drag(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drag(false);
    const files = [...event.dataTransfer.files];
    if (files.length) add(files);
    else warn("What was dropped is not a file: save the picture first");
  });
  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].map(named);
    if (files.length) add(files);
    else warn("The clipboard has no picture");
  });
})();
