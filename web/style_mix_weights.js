// The mathematics of the Style Mix pad: a point of the unit square and the weights of the styles at its corners.
// It touches no page, so that it can be tested by itself.

/** Where styles 1 to 4 are, x to the right and y down: bit 0 of the index is x, bit 1 is y. */
export const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];

const clamp = (t) => Math.min(Math.max(t, 0), 1);

/**
 * The weights of the connected styles at a point: along the line between two, barycentric in the triangle of three,
 * bilinear in the square of four. A point outside of that form counts as the nearest one inside.
 *
 * @param {number[]} point x and y; 0..1 inside the square.
 * @param {number[]} connected indices of corners, ascending.
 * @returns {number[]} one weight 0..1 for each of the connected, sum 1.
 */
export function weightsAt([x, y], connected) {
  if (connected.length === 4) {
    [x, y] = [clamp(x), clamp(y)];
    return [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
  }
  if (connected.length === 3) {
    // The corner opposite of the missing one has the right angle; u and v are the distances from it along its sides.
    const right = connected.reduce((sum, k) => sum + k, 0) - 3;
    const [cx, cy] = CORNERS[right];
    let [u, v] = [cx ? 1 - x : x, cy ? 1 - y : y];
    if (u + v > 1) {
      u = clamp((1 + u - v) / 2); // onto the third side
      v = 1 - u;
    }
    [u, v] = [clamp(u), clamp(v)];
    const weights = { [right]: clamp(1 - u - v), [right ^ 1]: u, [right ^ 2]: v };
    return connected.map((k) => weights[k]);
  }
  if (connected.length === 2) {
    const [[ax, ay], [bx, by]] = connected.map((k) => CORNERS[k]);
    const [dx, dy] = [bx - ax, by - ay];
    const t = clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy));
    return [1 - t, t];
  }
  return connected.map(() => 1);
}

/**
 * The point that weights of any sum stand for, the weighted mean of their corners: where `weightsAt` gives them back.
 * Four weights typed by hand need not be bilinear ones; the mean is then the nearest thing the square can show.
 *
 * @returns {number[]|null} x and y, 0..1; null when no weight is above 0.
 */
export function pointOf(weights, connected) {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (!(sum > 0)) return null;
  return [0, 1].map((axis) => weights.reduce((total, weight, i) => total + weight * CORNERS[connected[i]][axis], 0) / sum);
}

/** Weights of sum 1 as hundredths of sum exactly 1: what rounding down leaves goes to the largest remainders. */
export function rounded(weights) {
  const parts = weights.map((weight) => Math.floor(weight * 100 + 1e-6));
  const remainder = (i) => weights[i] * 100 - parts[i];
  const order = [...weights.keys()].sort((a, b) => remainder(b) - remainder(a));
  const left = 100 - parts.reduce((total, part) => total + part, 0);
  for (const i of order.slice(0, left)) parts[i] += 1;
  return parts.map((part) => part / 100);
}
