// The camera and the microphone of a browser in a test: a drawn sitter who does what the page says.
// What is shown in [data-cue] is handed to the test (answerCue), which answers with a pose or a sound.
"use strict";
(() => {
  const FPS = 15;
  let pose = "", audio = null, mouth = null;

  const camera = async () => {
    const pictures = {};
    for (const [name, address] of Object.entries(await window.sitterPictures())) {
      pictures[name] = new Image();
      pictures[name].src = address;
      await pictures[name].decode();
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const brush = canvas.getContext("2d");
    let tick = 0;
    const draw = () => {
      const [x, y] = [4 * Math.sin(tick / 17), 3 * Math.sin(tick / 11)]; // nobody sits still
      brush.drawImage(pictures[pose], x - 12, y - 102, 664, 664);
      tick += 1;
    };
    draw();
    setInterval(draw, 1000 / FPS);
    return canvas.captureStream(FPS);
  };

  const microphone = async () => {
    audio = new AudioContext({ sampleRate: 48000 });
    await audio.resume();
    mouth = audio.createMediaStreamDestination();
    return mouth.stream.getAudioTracks()[0];
  };

  const sound = async (wav) => {
    const bytes = Uint8Array.from(atob(wav), (c) => c.charCodeAt(0));
    const source = audio.createBufferSource();
    source.buffer = await audio.decodeAudioData(bytes.buffer);
    source.connect(mouth);
    await new Promise((done) => { source.onended = done; source.start(); });
  };

  const answer = async (cue) => {
    const action = await window.answerCue(cue);
    if ("pose" in action) pose = action.pose;
    if (action.wav) await sound(action.wav);
  };

  navigator.mediaDevices.getUserMedia = async () => {
    const stream = await camera();
    stream.addTrack(await microphone());
    return stream;
  };
  window.readAloud = answer;
  document.addEventListener("DOMContentLoaded", () => {
    const cue = document.querySelector("[data-cue]");
    if (!cue) return;
    new MutationObserver(() => { if (cue.textContent) answer(cue.textContent); })
      .observe(cue, { childList: true, characterData: true, subtree: true });
  });
})();
