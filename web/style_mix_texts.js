// What the Style Mix pad says, by the language of ComfyUI's interface.

const TEXTS = {
  en: {
    title: "Drag the point, or use the arrow keys; Shift: larger steps, Home and End: the first and last style",
    role: "two-dimensional slider",
    label: "Style weights",
    none: "no style connected",
    zero: "all weights are 0",
    weight: (style, percent) => `style ${style}: ${percent} %`,
    separator: ", ",
  },
  zh: {
    title: "拖动圆点，或使用方向键；Shift：大步移动，Home 和 End：第一个和最后一个风格",
    role: "二维滑块",
    label: "风格权重",
    none: "未连接风格",
    zero: "所有权重均为 0",
    weight: (style, percent) => `风格 ${style}：${percent} %`,
    separator: "，",
  },
};

/** The texts for a locale such as "zh"; English where there are none. */
export const textsFor = (locale) => TEXTS[locale] ?? TEXTS.en;
