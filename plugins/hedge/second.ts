import { Attempt, type UpstreamRequest } from '../../src/index.js'

type OnInterim = UpstreamRequest['onInterim']

const ignore: OnInterim = () => {}

/** The second attempt. Interim answers are those of the first one: nobody gets the same hints (103) twice. */
export class Second extends Attempt {
  override get onInterim(): OnInterim {
    return ignore
  }

  /** Filters may set theirs here, too; those of the first attempt must stay as they are. */
  override set onInterim(_handler: OnInterim) {}
}
